package relay

import "time"

// giveUp is how long we try (RFC 5321 §4.5.4.1), warnAfter when the sender
// hears that it takes long.
const (
	giveUp    = 5 * 24 * time.Hour
	warnAfter = 4 * time.Hour
)

// pauses between attempts; the last one repeats.
var pauses = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// soonPauses are those after a 450 or 451 to RCPT, which is most often a
// greylist: those let us in after one to ten minutes.
var soonPauses = []time.Duration{
	time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute,
}

// next is when to try again after the given number of attempts. It falls on
// the moment of the warning, and on the last moment, rather than beyond them.
func (r *Relay) next(now, accepted time.Time, attempts int, soon, warned bool) time.Time {
	n := max(attempts-1, 0)
	pause := pauses[min(n, len(pauses)-1)]
	if soon && n < len(soonPauses) {
		pause = soonPauses[n]
	}
	// A tenth more or less, so that a host that comes back is not met by all
	// of its waiting mail in the same second.
	pause += time.Duration((r.random().Float64()*2 - 1) * float64(pause) / 10)
	at := now.Add(pause)
	for _, edge := range []time.Time{accepted.Add(warnAfter), accepted.Add(giveUp)} {
		if edge.Equal(accepted.Add(warnAfter)) && warned {
			continue
		}
		if now.Before(edge) && at.After(edge) {
			at = edge
		}
	}
	return at
}
