"""The built-in commands, one file each: parse, call the subsystem, print."""
