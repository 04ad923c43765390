"""The public side: terminates the edges' tunnels and forwards phones' traffic; knows nothing about wallboxes."""
