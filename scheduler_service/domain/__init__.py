"""Pure rules of scheduling: no input, no output, no clock; times and ids come in as arguments."""
