"""What stands behind ``asynctest.mock``: mock classes, patches, and coroutines that are mocked."""
