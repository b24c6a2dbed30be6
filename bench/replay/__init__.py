"""`make replay`: a cluster's recorded jobs, submitted over REST to a running system.

Time is compressed by a speed factor, and nothing else: every job is registered, reserved for,
scheduled onto simulated GPUs, run, settled and watched as any other. At the end the books are read
back over REST and compared with what was acknowledged.
"""
