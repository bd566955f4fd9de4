package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestMeasureOfThisMachine(t *testing.T) {
	got, err := NewMeter("/proc", "/").Measure()
	if err != nil {
		t.Fatal(err)
	}
	if got.CPUCount < runtime.NumCPU() || got.CPUUsedPct < 0 || got.CPUUsedPct > 100 || got.MemTotal == 0 || got.MemUsed == 0 || got.MemUsed >= got.MemTotal ||
		got.MemTotalMiB != got.MemTotal>>20 || got.DiskTotal == 0 || got.DiskUsed == 0 || got.DiskUsed > got.DiskTotal {
		t.Errorf("%+v", got)
	}
	if age := time.Now().Unix() - got.Timestamp; age < 0 || age > 60 {
		t.Errorf("timestamp is %d s old", age)
	}
}

func TestShareOfProcessors(t *testing.T) {
	proc := t.TempDir()
	set := func(stat string) {
		if err := os.WriteFile(filepath.Join(proc, "stat"), []byte(stat), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(proc, "meminfo"), []byte("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 400 kB\nBuffers: 1 kB\nCached: 2 kB\nSReclaimable: 4 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// user nice system idle iowait irq softirq steal guest guest_nice
	set("cpu 100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1 1 1\nintr 5\n")
	meter := NewMeter(proc, "/")
	set("cpu 150 10 120 850 150 5 10 5 99 0\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1 1 1\nintr 5\n")
	for i := 0; i < 2; i++ {
		got, err := meter.Measure()
		if err != nil {
			t.Fatal(err)
		}
		if got.CPUUsedPct != 33.33 || got.CPUCount != 2 || got.MemTotal != 1000<<10 || got.MemUsed != 600<<10 || got.MemCache != 7<<10 {
			t.Errorf("%+v", got)
		}
	}
	set("nonsense\n")
	if got, err := meter.Measure(); err != nil || got.CPUUsedPct != 33.33 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestNamesOnTheWire(t *testing.T) {
	text, err := json.Marshal(Metrics{})
	if want := `{"ts":0,"cpu_count":0,"cpu_used_pct":0,"mem_total":0,"mem_used":0,"mem_cache":0,"mem_total_mib":0,"mem_used_mib":0,"disk_used":0,"disk_total":0}`; err != nil || string(text) != want {
		t.Errorf("%s %v", text, err)
	}
}
