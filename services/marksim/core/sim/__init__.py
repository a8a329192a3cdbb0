"""Virtual time: the scheduler of coroutines, windows, pacing, and the simulation of book and agents in one process."""
