"""What a loop asks the choice gate, in worlds whose runs are explored; plain loops ask nothing."""
