package relay

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"colporteur/delivery"
)

// BenchmarkHeadOfLine sends 10,000 mails to 50 destinations, of which five say
// nothing but the first octet of their banner, and reports how long those to
// the other 45 took from being queued to being taken (p95, in ms), without and
// with the silent ones:
//
//	go test ./smtp/relay -run '^$' -bench HeadOfLine -benchtime 1x
func BenchmarkHeadOfLine(b *testing.B) {
	const each, healthy, silent = 200, 45, 5
	for b.Loop() {
		alone := headOfLine(b, each, healthy, 0)
		beside := headOfLine(b, each, healthy, silent)
		b.ReportMetric(alone.p95, "p95-alone-ms")
		b.ReportMetric(beside.p95, "p95-beside-ms")
		b.ReportMetric(beside.p95/alone.p95, "ratio")
		b.ReportMetric(beside.rate, "mails/s")
		b.ReportMetric(beside.cpu, "cpu-ms/mail")
		b.ReportMetric(beside.calls, "connections")
	}
}

type lineResult struct{ p95, rate, cpu, calls float64 }

func headOfLine(b *testing.B, each, healthy, silent int) (res lineResult) {
	n := newInternet(b)
	n.relay.Now = time.Now
	n.relay.stages = nil
	n.keep(sample)
	hold := make(chan struct{})
	var domains []string
	var peers []*sink
	for i := range healthy + silent {
		domain := fmt.Sprintf("d%d.test", i)
		s := n.site(domain, func(s *sink) {
			s.ehlo = []string{"PIPELINING", "8BITMIME"}
			if i >= healthy {
				s.hold = hold
			}
		})
		domains, peers = append(domains, domain), append(peers, s)
	}
	slices.Reverse(domains) // the silent ones stand first
	total := each * healthy
	took := make(chan time.Duration, total)
	begin := map[string]time.Time{}
	n.relay.Trace = func(_ context.Context, events ...delivery.Event) error {
		for _, e := range events {
			if e.What == delivery.Relayed {
				took <- time.Since(begin[e.Mail])
			}
		}
		return nil
	}
	for i := range each {
		for _, d := range domains {
			begin[fmt.Sprintf("%s-%d", d, i)] = time.Time{}
		}
	}
	n.post(each, domains...)
	start, cpu := time.Now(), used()
	for k := range begin {
		begin[k] = start
	}
	stop := n.start()
	defer close(hold) // so that their servers end
	defer stop()
	var all []time.Duration
	for len(all) < total {
		all = append(all, <-took)
	}
	elapsed := time.Since(start)
	slices.Sort(all)
	res.p95 = float64(all[len(all)*95/100]) / 1e6
	res.rate = float64(total) / elapsed.Seconds()
	res.cpu = float64(used()-cpu) / 1e6 / float64(total)
	for _, s := range peers[:healthy] {
		res.calls += float64(s.calls())
	}
	return res
}

// used is the processor time of this process, peers and all.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
