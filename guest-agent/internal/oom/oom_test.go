package oom

import "testing"

func TestVictimsAreFoundInTheLog(t *testing.T) {
	// A descriptor that gives nothing to read.
	log := &Log{descriptor: -1}
	for _, record := range []string{
		"6,1,2,-;eth0: link up\n",
		"6,339,5140900,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=processes,mems_allowed=0,oom_memcg=/user/others,task_memcg=/user/others/processes/7,task=a,pid=9 (b),pid=812,uid=1000\n SUBSYSTEM=x\n",
		"3,340,5140950,-;Memory cgroup out of memory: Killed process 812 (a,pid=9 (b)) total-vm:264k, anon-rss:1kB, UID:1000\n",
		"3,341,5140950,-;Memory cgroup out of memory: Killed process 900 (python3) total-vm:264k, anon-rss:1kB, UID:1000\n",
		"3,342,5140950,-;Memory cgroup out of memory: Killed process x (python3) total-vm:264k\n",
		"3,343,5140950,-;oom-kill:constraint\n",
		"no record",
	} {
		log.add(record)
	}
	for _, test := range []struct {
		group  string
		leader int
		want   *Victim
	}{
		{"/user/others/processes/7", 1, &Victim{"a,pid=9 (b)", 812}},
		{"/user/others/processes/8", 900, &Victim{"python3", 900}},
		{"/user/others/processes/8", 812, nil},
	} {
		got := log.Victim(test.group, test.leader)
		if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%s, %d: %+v", test.group, test.leader, got)
		}
	}
	for i := 0; i < 3*kept; i++ {
		log.add("3,1,1,-;Out of memory: Killed process 5 (x) total-vm:1\n")
		log.add("3,1,1,-;Out of memory: Killed process 6 (x) total-vm:1\n")
	}
	if len(log.victims) != kept {
		t.Errorf("%d victims are kept", len(log.victims))
	}
}
