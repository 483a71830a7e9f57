// Package userns decides who a program is inside a user namespace: which of its ids are which of ours.
//
//	me, err := userns.CurrentUser(os.Getenv)
//	subs, err := userns.ReadRanges(me)                 // only where ids is "subids"
//	m, err := userns.Plan(me, subs, "root", "subids")
//	fmt.Println(m)                                     // 1000:1000 → 0:0, ids 100000-165535 → 1-65536
//	err = userns.Install(pid, m)                       // where m.Helper is set
//
// A map of one id needs no help: the process in the new namespace writes MapText itself (user_namespaces(7)).
// A map with subordinate ids is written by the setuid programs newuidmap and newgidmap, which look into
// /etc/subuid and /etc/subgid again and trust nothing that is said here.
//
// Limits: ids are 32 bits wide and the last, 4294967295, is none. Linux takes 340 lines per map (5 before 4.15) and
// less than a page of text. Inside, whatever is not mapped shows as 65534, the overflow id, and cannot be given
// to a file. Supplementary groups are never mapped, except where one lies in a range of /etc/subgid.
package userns
