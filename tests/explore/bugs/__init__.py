"""Small programs with concurrency bugs that people reported, each beside its corrected twin.

`bugs.registry` lists them. The package stands alone: put this folder's parent on the path.
"""
