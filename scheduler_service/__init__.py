"""Inventory, queue, placement and execution: decides what runs when and where, and has it run."""
