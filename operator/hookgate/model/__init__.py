"""The words the whole project speaks: endpoints, conditions, bindings. Standard library only, no I/O."""
