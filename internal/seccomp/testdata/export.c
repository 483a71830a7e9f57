/* Reads rules as `go run ./gen -rules` prints them and writes the filter that libseccomp makes of them.
 *
 *   export x86_64|aarch64 < rules > filter.bpf
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "export: cannot %s: %s\n", what, strerror(-rc));
		exit(1);
	}
}

static enum scmp_compare comparison(const char *name)
{
	static const char *const names[] = { "", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };

	for (int i = 1; i <= SCMP_CMP_MASKED_EQ; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	must(-EINVAL, name);
	return 0;
}

int main(int argc, char **argv)
{
	char line[512], action[16], name[64], op[16];
	unsigned long long value, second;
	unsigned arg;
	uint32_t arch = argc == 2 ? seccomp_arch_resolve_name(argv[1]) : 0;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (!arch || !ctx)
		must(-EINVAL, "begin; name an architecture");
	if (arch != seccomp_arch_native()) {
		must(seccomp_arch_add(ctx, arch), "add the architecture");
		must(seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE), "remove the native architecture");
	}
	while (fgets(line, sizeof line, stdin)) {
		int n = sscanf(line, "%15s %63s %u %15s %llx %llx", action, name, &arg, op, &value, &second);
		int nr = seccomp_syscall_resolve_name(name);
		uint32_t act = strcmp(action, "allow") ? SCMP_ACT_ERRNO(atoi(action)) : SCMP_ACT_ALLOW;
		struct scmp_arg_cmp cmp;

		if (nr == __NR_SCMP_ERROR) {
			fprintf(stderr, "export: unknown to this libseccomp: %s\n", name);
			continue;
		}
		if (n == 6) {
			cmp = (struct scmp_arg_cmp){ arg, comparison(op), value, second };
			must(seccomp_rule_add_array(ctx, act, nr, 1, &cmp), name);
		} else {
			must(seccomp_rule_add_array(ctx, act, nr, 0, NULL), name);
		}
	}
	must(seccomp_export_bpf(ctx, 1), "export");
	return 0;
}
