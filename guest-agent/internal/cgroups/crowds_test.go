package cgroups

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crowded is a tree on plain files, for machines whose control groups do not count processes, of these commands: names of
// groups, and the numbers of their processes and of those that they were refused.
func crowded(t *testing.T, commands map[string][2]string) *Tree {
	t.Helper()
	tree := &Tree{root: t.TempDir()}
	tree.groups.limit(800)
	write := func(group string, files map[string]string) {
		if err := os.MkdirAll(filepath.Join(tree.root, group), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(tree.root, group, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(othersGroup, map[string]string{"pids.current": "790\n"})
	for group, numbers := range commands {
		write(group, map[string]string{
			"pids.current": numbers[0] + "\n", "pids.events": "max " + numbers[1] + "\n",
			"cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 1\n",
		})
	}
	return tree
}

func frozen(t *testing.T, tree *Tree) string {
	t.Helper()
	held, err := filepath.Glob(tree.root + "/user/*/*/cgroup.freeze")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob(tree.root + "/user/*/*/*/cgroup.freeze")
	var groups []string
	for _, path := range append(held, more...) {
		if text, err := os.ReadFile(path); err != nil {
			t.Fatal(err)
		} else if strings.HasPrefix(string(text), "1") {
			groups = append(groups, strings.TrimPrefix(filepath.Dir(path), tree.root+"/"))
		}
	}
	return strings.Join(groups, " ")
}

func TestForkBombsAloneAreHeld(t *testing.T) {
	tree := crowded(t, map[string][2]string{
		rootGroup + "/1":      {"2", "0"},
		processesGroup + "/2": {"600", "37"},
		processesGroup + "/3": {"180", "0"},
		processesGroup + "/4": {"5", "12"},
		terminalsGroup + "/5": {"1", "0"},
	})
	const bomb = processesGroup + "/2"
	release := tree.HoldCrowds(context.Background())
	if held := frozen(t, tree); held != bomb {
		t.Errorf("%q stand still", held)
	}
	other := tree.HoldCrowds(context.Background())
	release()
	release()
	if held := frozen(t, tree); held != bomb {
		t.Errorf("%q stand still though one who wants that is left", held)
	}
	other()
	if held := frozen(t, tree); held != "" {
		t.Errorf("%q stand still in the end", held)
	}
}

func TestCommandsThatBecomeForkBombsAreHeld(t *testing.T) {
	const bomb = processesGroup + "/2"
	tree := crowded(t, map[string][2]string{bomb: {"300", "0"}})
	if err := tree.watchRefusals(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.crowds.refusals.Close() })
	tree.watchRefusalsOf(bomb, "pids.events")
	release := tree.HoldCrowds(context.Background())
	if held := frozen(t, tree); held != "" {
		t.Errorf("%q stand still before anything was refused", held)
	}
	if err := os.WriteFile(tree.root+"/"+bomb+"/pids.events", []byte("max 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); frozen(t, tree) != bomb; {
		if time.Now().After(deadline) {
			t.Fatal("it runs on")
		}
	}
	release()
	if held := frozen(t, tree); held != "" {
		t.Errorf("%q stand still in the end", held)
	}
}

// Linux 6.12 and later count a refusal where the bound is.
func TestCommandsThatAreRefusedProcessesTogetherAreHeld(t *testing.T) {
	tree := crowded(t, map[string][2]string{processesGroup + "/2": {"400", "0"}, processesGroup + "/3": {"5", "0"}, rootGroup + "/4": {"300", "3"}})
	if err := os.WriteFile(tree.root+"/"+othersGroup+"/pids.events.local", []byte("max 8\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer tree.HoldCrowds(context.Background())()
	if held := frozen(t, tree); held != processesGroup+"/2" {
		t.Errorf("%q stand still", held)
	}
}

func TestNobodyIsHeldWithoutBounds(t *testing.T) {
	tree := newTree(t)
	sleeper(t, tree.root+"/user/others/processes")
	if found := tree.findCrowds(); len(found) > 0 {
		t.Errorf("%v are crowds", found)
	}
	tree.HoldCrowds(context.Background())()
}
