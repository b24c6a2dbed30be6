"""The engine held against published results, on the public traces that they were published for."""
