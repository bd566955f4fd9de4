package filesystem

// renameat2 is the number of renameat2(2), which package syscall does not name.
const renameat2 = 276
