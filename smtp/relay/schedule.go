package relay

import "time"

// giveUp is how long we try (RFC 5321 §4.5.4.1), warnAfter when the sender
// hears that it takes long. A full mailbox gets less: who does not empty it in
// three days, a weekend and a bit, does not read this one soon either, and the
// sender can still do something about it.
const (
	giveUp     = 5 * 24 * time.Hour
	giveUpFull = 3 * 24 * time.Hour
	warnAfter  = 4 * time.Hour
)

// pauses between attempts; the last one of a list repeats.
var (
	pauses = []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
	}
	// A greylist lets us in after one to ten minutes.
	greyPauses = []time.Duration{
		time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
	}
	fullPauses  = []time.Duration{30 * time.Minute, 2 * time.Hour, 4 * time.Hour}
	ratePauses  = []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	blockPauses = []time.Duration{2 * time.Hour, 4 * time.Hour}
	dnsPauses   = []time.Duration{2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
)

// pauseAfter is how long a mail rests after its n-th attempt ended with f.
func pauseAfter(f *failure, n int) time.Duration {
	list := pauses
	switch f.sense {
	case senseGrey:
		list = greyPauses
	case senseFull:
		list = fullPauses
	case senseRate:
		list = ratePauses
	case senseBlock:
		list = blockPauses
	case senseDNS:
		list = dnsPauses
	}
	pause := list[min(max(n-1, 0), len(list)-1)]
	if f.wait > 0 && f.sense == senseGrey {
		return f.wait // it says when, and means it
	}
	return max(pause, f.wait)
}

// patienceFor is how long we go on trying when f is what happens each time.
func patienceFor(f *failure) time.Duration {
	if f != nil && f.sense == senseFull {
		return giveUpFull
	}
	return giveUp
}

// next is when to try again after a pause. It falls on the moment of the
// warning, and on the last moment, rather than beyond them.
func (r *Relay) next(now, start time.Time, pause, last time.Duration, warned bool) time.Time {
	// A tenth more or less, so that a host that comes back is not met by all
	// of its waiting mail in the same second.
	pause += time.Duration((r.random().Float64()*2 - 1) * float64(pause) / 10)
	at := now.Add(pause)
	edges := []time.Duration{last}
	if !warned {
		edges = append(edges, warnAfter)
	}
	for _, after := range edges {
		if edge := start.Add(after); now.Before(edge) && at.After(edge) {
			at = edge
		}
	}
	return at
}
