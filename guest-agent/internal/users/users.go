// Package users reads the users and groups of the image from /etc/passwd and /etc/group.
package users

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"warren/guest-agent/internal/textfile"
)

// User is an account of the image with everything that a process of it needs.
type User struct {
	Name string
	UID  uint32
	// GID is the primary group.
	GID  uint32
	Home string
	// Groups are the supplementary groups.
	Groups []uint32
}

// Database reads the account files under a root directory, anew at each call: they are small, and the guest may change them.
type Database struct {
	root string
}

// NewDatabase reads from root/etc.
func NewDatabase(root string) *Database { return &Database{root: root} }

// superuser stands in for an image without an entry for root.
var superuser = User{Name: "root", Home: "/root"}

// Lookup finds a user by name.
func (d *Database) Lookup(name string) (User, error) {
	passwd, err := d.read("etc/passwd")
	if err != nil && name != superuser.Name {
		return User{}, err
	}
	for _, entry := range parsePasswd(passwd) {
		if entry.Name != name {
			continue
		}
		// Without the file nobody is in more groups than one's own.
		group, _ := d.read("etc/group")
		entry.Groups = memberships(parseGroup(group), name)
		return entry, nil
	}
	if name == superuser.Name {
		return superuser, nil
	}
	return User{}, fmt.Errorf("invalid username: '%s'", name)
}

// Names maps ids to names for listings.
type Names struct {
	users, groups map[uint32]string
}

// Names reads all names. Files that cannot be read leave ids without names.
func (d *Database) Names() Names {
	names := Names{users: map[uint32]string{}, groups: map[uint32]string{}}
	passwd, _ := d.read("etc/passwd")
	for _, entry := range parsePasswd(passwd) {
		if _, taken := names.users[entry.UID]; !taken {
			names.users[entry.UID] = entry.Name
		}
	}
	group, _ := d.read("etc/group")
	for _, entry := range parseGroup(group) {
		if _, taken := names.groups[entry.gid]; !taken {
			names.groups[entry.gid] = entry.name
		}
	}
	return names
}

// User is the name of a user id, or the id as text.
func (n Names) User(uid uint32) string { return nameOr(n.users, uid) }

// Group is the name of a group id, or the id as text.
func (n Names) Group(gid uint32) string { return nameOr(n.groups, gid) }

func nameOr(names map[uint32]string, id uint32) string {
	if name, ok := names[id]; ok {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// read returns a file's text, empty when there is no such file.
func (d *Database) read(path string) (string, error) {
	text, err := textfile.Read(filepath.Join(d.root, path))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return text, err
}

type groupEntry struct {
	name    string
	gid     uint32
	members []string
}

// parsePasswd reads lines of passwd(5) and skips those that are malformed.
func parsePasswd(text string) []User {
	var entries []User
	for _, line := range strings.Split(text, "\n") {
		fields := strings.Split(line, ":")
		if len(fields) < 6 || fields[0] == "" || fields[0][0] == '#' {
			continue
		}
		uid, okUser := parseID(fields[2])
		gid, okGroup := parseID(fields[3])
		if !okUser || !okGroup {
			continue
		}
		home := fields[5]
		if !filepath.IsAbs(home) {
			home = "/"
		}
		entries = append(entries, User{Name: fields[0], UID: uid, GID: gid, Home: filepath.Clean(home)})
	}
	return entries
}

// parseGroup reads lines of group(5) and skips those that are malformed.
func parseGroup(text string) []groupEntry {
	var entries []groupEntry
	for _, line := range strings.Split(text, "\n") {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || fields[0] == "" || fields[0][0] == '#' {
			continue
		}
		gid, ok := parseID(fields[2])
		if !ok {
			continue
		}
		entry := groupEntry{name: fields[0], gid: gid}
		for _, member := range strings.Split(strings.TrimSpace(fields[3]), ",") {
			if member != "" {
				entry.members = append(entry.members, member)
			}
		}
		entries = append(entries, entry)
	}
	return entries
}

func memberships(groups []groupEntry, name string) []uint32 {
	var ids []uint32
	for _, group := range groups {
		for _, member := range group.members {
			if member == name {
				ids = append(ids, group.gid)
				break
			}
		}
	}
	return ids
}

// parseID reads a user or group id. The largest value means "no id" to the kernel and is refused.
func parseID(text string) (uint32, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, false
	}
	return uint32(id), true
}

// Empty tells whether no names have been read.
func (n Names) Empty() bool { return n.users == nil }
