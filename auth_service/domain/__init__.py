"""The rules of identity, as pure functions of what they are given."""
