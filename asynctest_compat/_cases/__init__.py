"""What stands behind ``asynctest.case``: loops of tests, fixtures, phases, limits and clocks."""
