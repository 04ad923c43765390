"""Charge sessions as documents: rows in, bytes out. Pure but for xlsx.py, which writes the file it is given."""
