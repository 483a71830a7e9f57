// Package sandbox describes a sandbox and plans how to build it. It touches nothing: what the user wishes for
// is a Spec, what is true of this machine is a Host, and the answer is a Plan.
//
//	plan, err := sandbox.Compile(spec, host)
//	fmt.Print(plan)
//
// Because the kernel is an argument, every distribution and every missing feature is a text file in
// testdata/plan, and cove plan tells the truth before anything happens.
//
// Limits: a Plan is only as true as the facts it was made from. What changes between the probe and the start (a
// directory that becomes a link, a mount that appears) makes the start fail; it is not followed.
package sandbox
