"""Observers: each watches one channel of a running machine and writes down what it sees.

None of them judges. Each is an async context manager or a coroutine that runs until cancelled.
"""
