"""Threads beside the loop: results that come too late, effects that come anyway."""
