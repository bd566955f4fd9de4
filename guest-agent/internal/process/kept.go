package process

import "sync"

const (
	// maxKept is the most output that one command may ask to be kept, in bytes.
	maxKept = 4 << 20
	// archiveLimit bounds the memory of all kept output of the guest, in bytes.
	archiveLimit = 16 << 20
	// keptBlock is the size up to which a block of kept output grows, in bytes; blockCost is what a block takes besides.
	keptBlock, blockCost = 16 << 10, 64
)

// archive bounds what all commands keep together. When that is too much, the oldest output of the command that ended first goes,
// and of those that live what is oldest of the one that keeps most.
type archive struct {
	limit int

	mu    sync.Mutex
	size  int
	alive map[*kept]struct{}
	// ended are those of commands that have ended, the first of them first.
	ended []*kept
}

func newArchive(limit int) *archive { return &archive{limit: limit, alive: map[*kept]struct{}{}} }

// kept is the newest output of one command, for readers that come later. Its memory grows with the output. The bytes of a block
// do not change once they are there, so that readers share them.
type kept struct {
	archive *archive
	// limit is the number of bytes that are kept at least, as long as the archive has room.
	limit int

	// Below here all is guarded by the archive.
	blocks []block
	// size is the number of bytes that are kept, cost what they take of memory.
	size, cost int
	// from is the number of bytes of output before the first that is kept.
	from uint64
	// released says that nothing is kept any more.
	released bool
}

// block is output of one kind.
type block struct {
	kind eventKind
	data []byte
}

// open begins to keep the output of a command that lives.
func (a *archive) open(limit int) *kept {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &kept{archive: a, limit: limit}
	a.alive[k] = struct{}{}
	return k
}

// retire says that no more output comes.
func (k *kept) retire() {
	a := k.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, alive := a.alive[k]; alive {
		delete(a.alive, k)
		a.ended = append(a.ended, k)
	}
}

// release gives up all that is kept, for good.
func (k *kept) release() {
	a := k.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.alive, k)
	for i, other := range a.ended {
		if other == k {
			a.ended = append(a.ended[:i:i], a.ended[i+1:]...)
			break
		}
	}
	for len(k.blocks) > 0 {
		k.dropBlock()
	}
	k.released = true
}

// add keeps a copy of data, and drops what is too old.
func (k *kept) add(kind eventKind, data []byte) {
	k.archive.mu.Lock()
	defer k.archive.mu.Unlock()
	if k.released {
		k.from += uint64(len(data))
		return
	}
	for len(data) > 0 {
		n := len(k.blocks)
		if n == 0 || k.blocks[n-1].kind != kind || len(k.blocks[n-1].data) >= keptBlock {
			k.blocks = append(k.blocks, block{kind: kind})
			k.charge(blockCost)
			n++
		}
		last := &k.blocks[n-1]
		piece := data
		if room := keptBlock - len(last.data); len(piece) > room {
			piece = piece[:room]
		}
		before := cap(last.data)
		last.data = append(last.data, piece...)
		k.charge(cap(last.data) - before)
		k.size += len(piece)
		data = data[len(piece):]
	}
	for len(k.blocks) > 0 && k.size-len(k.blocks[0].data) >= k.limit {
		k.dropBlock()
	}
	k.archive.shrink()
}

func (k *kept) charge(bytes int) {
	k.cost += bytes
	k.archive.size += bytes
}

// dropBlock drops the oldest block.
func (k *kept) dropBlock() {
	oldest := k.blocks[0]
	k.blocks[0] = block{}
	k.blocks = k.blocks[1:]
	if len(k.blocks) == 0 {
		k.blocks = nil
	}
	k.charge(-blockCost - cap(oldest.data))
	k.size -= len(oldest.data)
	k.from += uint64(len(oldest.data))
}

// shrink keeps the bound of all commands together.
func (a *archive) shrink() {
	for a.size > a.limit {
		victim := a.victim()
		if victim == nil {
			return
		}
		victim.dropBlock()
	}
}

// victim is the command whose output is to be dropped next; nil when none has any.
func (a *archive) victim() *kept {
	for _, k := range a.ended {
		if len(k.blocks) > 0 {
			return k
		}
	}
	var most *kept
	for k := range a.alive {
		if len(k.blocks) > 0 && (most == nil || k.cost > most.cost) {
			most = k
		}
	}
	return most
}

// since returns what is kept from an offset on, and the offset of the first byte of it.
func (k *kept) since(offset uint64) (blocks []block, first uint64) {
	k.archive.mu.Lock()
	defer k.archive.mu.Unlock()
	first = k.from
	if end := k.from + uint64(k.size); offset > end {
		first = end
	} else if offset > first {
		first = offset
	}
	at := k.from
	for _, b := range k.blocks {
		end := at + uint64(len(b.data))
		if end > first {
			if at < first {
				b.data = b.data[first-at:]
			}
			blocks = append(blocks, b)
		}
		at = end
	}
	return blocks, first
}

// begin is the offset of the first byte that is kept.
func (k *kept) begin() uint64 {
	k.archive.mu.Lock()
	defer k.archive.mu.Unlock()
	return k.from
}
