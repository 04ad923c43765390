"""What tests of several kinds share: waiting for conditions, private real servers, processes."""
