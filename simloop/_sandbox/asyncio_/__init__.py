"""What asyncio and anyio keep per process: loops, tasks, and the hashes of futures."""
