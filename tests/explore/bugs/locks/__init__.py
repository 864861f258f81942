"""Locks, semaphores, conditions and queues written by hand: wakeups that go astray."""
