// Package metrics measures the use of processor, memory and disk. It measures when it is asked and costs nothing in between.
package metrics

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Metrics is the answer of GET /metrics.
type Metrics struct {
	// Timestamp is in seconds since 1970.
	Timestamp int64 `json:"ts"`
	CPUCount  int   `json:"cpu_count"`
	// CPUUsedPct is the share of all processors in use since the previous measurement, from 0 to 100, with two decimals.
	CPUUsedPct float64 `json:"cpu_used_pct"`
	// Memory and disk are in bytes, unless the name says MiB.
	MemTotal    uint64 `json:"mem_total"`
	MemUsed     uint64 `json:"mem_used"`
	MemCache    uint64 `json:"mem_cache"`
	MemTotalMiB uint64 `json:"mem_total_mib"`
	MemUsedMiB  uint64 `json:"mem_used_mib"`
	DiskUsed    uint64 `json:"disk_used"`
	DiskTotal   uint64 `json:"disk_total"`
}

// Meter measures.
type Meter struct {
	proc, disk string

	mu       sync.Mutex
	previous cpuTime
	usedPct  float64
}

// NewMeter measures by a proc file system and the file system of directory disk. Use of processors is measured from here on.
func NewMeter(proc, disk string) *Meter {
	m := &Meter{proc: proc, disk: disk}
	if now, _, err := m.cpuTime(); err == nil {
		m.previous = now
	}
	return m
}

// cpuTime is in clock ticks, summed over all processors.
type cpuTime struct {
	busy, total uint64
}

// Measure takes all figures.
func (m *Meter) Measure() (Metrics, error) {
	figures := Metrics{Timestamp: time.Now().Unix()}
	var err error
	if figures.CPUUsedPct, figures.CPUCount, err = m.cpu(); err != nil {
		return figures, err
	}
	memory, err := m.memory()
	if err != nil {
		return figures, err
	}
	figures.MemTotal = memory["MemTotal"]
	figures.MemUsed = figures.MemTotal - memory["MemAvailable"]
	figures.MemCache = memory["Cached"] + memory["Buffers"] + memory["SReclaimable"]
	figures.MemTotalMiB, figures.MemUsedMiB = figures.MemTotal>>20, figures.MemUsed>>20
	var disk syscall.Statfs_t
	if err := syscall.Statfs(m.disk, &disk); err != nil {
		return figures, fmt.Errorf("measuring the disk: %w", err)
	}
	figures.DiskTotal = disk.Blocks * uint64(disk.Bsize)
	figures.DiskUsed = (disk.Blocks - disk.Bfree) * uint64(disk.Bsize)
	return figures, nil
}

// cpu is the use since the previous call. Calls that are closer together than the clock ticks repeat the value before.
func (m *Meter) cpu() (usedPct float64, count int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, count, err := m.cpuTime()
	if err != nil {
		return 0, 0, err
	}
	if now.total > m.previous.total && now.busy >= m.previous.busy {
		share := float64(now.busy-m.previous.busy) / float64(now.total-m.previous.total)
		m.usedPct = math.Round(share*10000) / 100
		m.previous = now
	}
	return m.usedPct, count, nil
}

// cpuTime reads /proc/stat (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user time.
func (m *Meter) cpuTime() (sum cpuTime, count int, err error) {
	file, err := os.Open(filepath.Join(m.proc, "stat"))
	if err != nil {
		return sum, 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			break
		}
		if fields[0] != "cpu" {
			count++
			continue
		}
		for i, field := range fields[1:9] {
			ticks, err := strconv.ParseUint(field, 10, 64)
			if err != nil {
				return sum, 0, fmt.Errorf("reading processor times: %w", err)
			}
			sum.total += ticks
			if i != 3 && i != 4 {
				sum.busy += ticks
			}
		}
	}
	return sum, count, nil
}

// memory reads /proc/meminfo; values are in bytes.
func (m *Meter) memory() (map[string]uint64, error) {
	text, err := os.ReadFile(filepath.Join(m.proc, "meminfo"))
	if err != nil {
		return nil, err
	}
	values := map[string]uint64{}
	for _, line := range strings.Split(string(text), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if value, err := strconv.ParseUint(fields[0], 10, 64); err == nil {
			values[name] = value << 10
		}
	}
	return values, nil
}

// Memory is the machine's memory in bytes.
func (m *Meter) Memory() (uint64, error) {
	values, err := m.memory()
	return values["MemTotal"], err
}
