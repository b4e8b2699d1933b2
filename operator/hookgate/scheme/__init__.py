"""How senders prove who they are: the descriptor grammar, its interpreter, presets as data. No I/O."""
