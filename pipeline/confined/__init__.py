"""Work on hostile input, in a child process with limits on its time and memory."""
