"""Correct programs that rely on what asyncio promises about order."""
