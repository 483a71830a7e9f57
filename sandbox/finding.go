package sandbox

// A Finding is what cove doctor says of one thing that sandboxes need. Its names in JSON are stable.
type Finding struct {
	Name    string `json:"name"`
	Status  Status `json:"status"`
	Found   string `json:"found"`             // in words for people, in which names are escaped
	Without string `json:"without,omitempty"` // what does not work, or works less well
	Because string `json:"because,omitempty"` // the Name of the finding whose fix mends this one
	Fix     *Fix   `json:"fix"`
}

// Status is how bad it is.
type Status string

const (
	StatusOK      Status = "ok"
	StatusLess    Status = "less"    // cove run works, with less
	StatusMissing Status = "missing" // cove run does not work, as it is without flags
)

// Worst is the worst status of findings.
func Worst(findings []Finding) Status {
	worst := StatusOK
	for _, f := range findings {
		if f.Status == StatusMissing || f.Status == StatusLess && worst == StatusOK {
			worst = f.Status
		}
	}
	return worst
}

// checks are all that cove doctor looks at, in the order in which it is told: what everything rests on comes first.
// A new check is a new line.
var checks = []struct {
	name string
	look func(*Machine) Finding
}{
	{"kernel", (*Machine).kernel},
	{"surroundings", (*Machine).surroundings},
	{"system_calls", (*Machine).systemCalls},
	{"user_namespaces", (*Machine).userNamespaces},
	{"namespace_limits", (*Machine).namespaceLimits},
	{"apparmor_userns", (*Machine).appArmorUserns},
	{"namespaces", (*Machine).namespaces},
	{"proc", (*Machine).proc},
	{"mount_api", (*Machine).mountAPI},
	{"seccomp", (*Machine).seccomp},
	{"landlock", (*Machine).landlock},
	{"terminals", (*Machine).terminals},
	{"data_directory", (*Machine).dataDirectory},
	{"config_directory", (*Machine).configDirectory},
	{"runtime_directory", (*Machine).runtimeDirectory},
	{"home", (*Machine).homeDirectory},
	{"kernel_overlay", (*Machine).kernelOverlay},
	{"fuse_device", (*Machine).fuseDevice},
	{"fuse_overlayfs", (*Machine).fuseOverlayfs},
	{"newuidmap", (*Machine).newuidmap},
	{"subids", (*Machine).subids},
	{"tun_device", (*Machine).tunDevice},
	{"cgroups", (*Machine).cgroups},
	{"sandbox", (*Machine).sandbox},
}

// Diagnose says what was found, one Finding for each check.
func Diagnose(m *Machine) []Finding {
	findings := make([]Finding, len(checks))
	for i, c := range checks {
		findings[i] = c.look(m)
		findings[i].Name = c.name
	}
	// The last says whether all of it together works; where something before it is missing, that is why it does not.
	last := &findings[len(findings)-1]
	for _, f := range findings {
		if last.Status == StatusMissing && last.Because == "" && f.Status == StatusMissing && f.Name != last.Name {
			*last = last.because(f.Name)
			if f.Because != "" {
				*last = last.because(f.Because)
			}
			last.Fix = nil
		}
	}
	return findings
}

// CheckNames are the names of all findings, in order.
func CheckNames() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

func fine(found string) Finding { return Finding{Status: StatusOK, Found: found} }

func less(found, without string, fix *Fix) Finding {
	return Finding{Status: StatusLess, Found: found, Without: without, Fix: fix}
}

func missing(found, without string, fix *Fix) Finding {
	return Finding{Status: StatusMissing, Found: found, Without: without, Fix: fix}
}

// because says that another finding has the fix.
func (f Finding) because(name string) Finding {
	f.Because = name
	return f
}
