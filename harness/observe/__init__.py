"""Observers: each watches one channel of a running machine and records what it sees.

None of them judges. Each is an async context manager or a coroutine that runs until cancelled.
"""
