// wrongclock OFFSET PROGRAM ARGUMENT... runs a program by a wall clock that is wrong by as
// many seconds as the file OFFSET says, an int64 in the machine's byte order, which may be
// changed while it runs. Its monotonic clock is right.
//
// A Go program asks the kernel's vDSO for the time, and no library: so the vDSO is taken
// from it as it starts, which has it make the system call, and a seccomp filter has us
// answer that (seccomp_unotify(2)).
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// child has clock_gettime(CLOCK_REALTIME) answered by whom it sends the listener to, and
// becomes the program.
static void child(int to, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || ptrace(PTRACE_TRACEME, 0, 0, 0))
		err(1, "wrongclock");
	raise(SIGSTOP);
	int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0)
		err(1, "seccomp");
	char byte = 0, control[CMSG_SPACE(sizeof listener)] = {0};
	struct iovec one = {&byte, 1};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	rights->cmsg_level = SOL_SOCKET, rights->cmsg_type = SCM_RIGHTS, rights->cmsg_len = CMSG_LEN(sizeof listener);
	memcpy(CMSG_DATA(rights), &listener, sizeof listener);
	if (sendmsg(to, &message, 0) < 0)
		err(1, "sendmsg");
	close(listener), close(to);
	execv(argv[0], argv);
	err(1, "%s", argv[0]);
}

static int receive(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec one = {&byte, 1};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&message))
		errx(1, "no listener");
	int listener;
	memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
	return listener;
}

// hide takes the vDSO out of what the kernel tells the program that has just begun: the
// auxiliary vector, above its arguments and its environment on the stack.
static void hide(pid_t pid)
{
	struct user_regs_struct regs;
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		err(1, "ptrace");
	unsigned long at = regs.rsp + 8 * (1 + ptrace(PTRACE_PEEKDATA, pid, regs.rsp, 0) + 1);
	while (ptrace(PTRACE_PEEKDATA, pid, at, 0))
		at += 8;
	for (at += 8; ptrace(PTRACE_PEEKDATA, pid, at, 0) != AT_NULL; at += 16)
		if (ptrace(PTRACE_PEEKDATA, pid, at, 0) == AT_SYSINFO_EHDR)
			ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE);
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		err(1, "ptrace");
}

// answer answers until the program has ended.
static void answer(int listener, volatile int64_t *offset)
{
	for (struct pollfd one = {listener, POLLIN, 0}; poll(&one, 1, -1) >= 0 || errno == EINTR;) {
		if (one.revents & POLLHUP)
			return;
		struct seccomp_notif asked = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
			continue; // whoever asked was interrupted, and asks again
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		now.tv_sec += *offset;
		struct iovec here = {&now, sizeof now}, there = {(void *)asked.data.args[1], sizeof now};
		struct seccomp_notif_resp said = {.id = asked.id};
		if (process_vm_writev(asked.pid, &here, 1, &there, 1, 0) < 0)
			said.error = -EFAULT;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &said);
	}
}

int main(int argc, char **argv)
{
	int file = argc > 2 ? open(argv[1], O_RDONLY) : -1, pair[2], status;
	if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		err(1, "wrongclock OFFSET PROGRAM ARGUMENT...");
	volatile int64_t *offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
	pid_t pid = fork();
	if (pid == 0)
		child(pair[1], argv + 2);
	if (pid < 0 || offset == MAP_FAILED || waitpid(pid, &status, 0) < 0 || ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC) || ptrace(PTRACE_CONT, pid, 0, 0))
		err(1, "wrongclock");
	int listener = receive(pair[0]);
	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		errx(1, "the program did not begin");
	hide(pid);
	answer(listener, offset);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
