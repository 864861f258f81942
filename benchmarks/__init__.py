"""What the speed of simloop is measured by: one command, peers in turn, ratios.

    python -m benchmarks                     every workload, every peer that is installed
    python -m benchmarks --instructions      the same, and what no busy machine moves (valgrind)
    python -m benchmarks --growth            how cost grows with the number of timers, tasks, ...
    python -m benchmarks.sealing             what sealing a run costs
    python -m benchmarks.testing             what a test in virtual time costs

How it measures. A workload is a small program with a count of units. In each round every contender
runs it once, one after the other in one process (A B C, A B C ...), and each peer's cost is divided
by the subject's of the same round; the median of these ratios is what is told. Whatever slows the
machine for a while slows both sides of a ratio, so a busy machine moves them little. Above 1.0
simloop is ahead. A peer that lacks what a workload needs has no number there.

Every contender runs the same program with its own defaults, its garbage collection included.
Deadlines that real clocks must not wait for are shorter than the work between them.

Invariants: only the part of a workload inside ``with watch`` counts; setting up and tearing down
do not. The clock is the real one inside of a simulated run, too. Nothing here is imported by
simloop.
"""
