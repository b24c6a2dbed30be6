"""`make bench-engine`: what the scheduling engine costs, alone and on one core.

Times are processor time of the process, so that what else runs on the machine counts less.
"""
