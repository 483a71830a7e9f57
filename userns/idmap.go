package userns

// A User is who runs cove.
type User struct {
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Name   string `json:"name"`
	Home   string `json:"home"`
	Shell  string `json:"shell"`
	Groups []int  `json:"groups,omitempty"` // supplementary
}

// A Range is one line of uid_map or gid_map: Count ids from Inside, as the program sees them, are the ids
// from Outside on.
type Range struct {
	Inside  int `json:"inside"`
	Outside int `json:"outside"`
	Count   int `json:"count"`
}

// A SubRange is Count subordinate ids from First on (subuid(5)).
type SubRange struct {
	First int `json:"first"`
	Count int `json:"count"`
}

// Ranges are a user's subordinate ids.
type Ranges struct {
	UIDs []SubRange `json:"uids,omitempty"`
	GIDs []SubRange `json:"gids,omitempty"`
}

// A Map is how ids inside a user namespace relate to those outside.
type Map struct {
	UIDs   []Range `json:"uids"`
	GIDs   []Range `json:"gids"`
	Helper bool    `json:"helper,omitempty"` // newuidmap and newgidmap must write it
	UID    int     `json:"uid"`              // the program's own, inside
	GID    int     `json:"gid"`
}

// A Helper is newuidmap or newgidmap, one of the programs that write maps of subordinate ids.
type Helper struct {
	Path   string // "" where it is not installed
	Plain  bool   // it is neither setuid root nor has file capabilities
	NoSuid bool   // its file system ignores both
}
