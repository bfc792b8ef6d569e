package relay

import (
	"bufio"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// Whatever a peer says, its refusal is a code of three digits, one harmless line,
// and a wait of at most a day.
func FuzzRefusal(f *testing.F) {
	for _, s := range []string{"220 hello\r\n", "250-a\r\n250 b\r\n", "421 4.7.0 try again in 5 minutes\r\n", "550-5.1.1 \x00\x1b[31m\r\n550 \u202e\xff\r\n",
		"450 4.2.0 greylisted for 99999 s\r\n", "2", "999 x\r\n", "250\r\n", "250-\n250 \n", "452 4..2\r\n", "553 5.999.9999 x\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(in)))
		if err != nil {
			return
		}
		if r.code < 200 || r.code > 599 {
			t.Errorf("code %d", r.code)
		}
		for _, cmd := range []string{"banner", "MAIL", "RCPT", "."} {
			fail := refused("mx.far.test", r, cmd)
			if fail.reply == "" || !utf8.ValidString(fail.reply) || utf8.RuneCountInString(fail.reply) > maxText+10 ||
				strings.ContainsFunc(fail.reply, unicode.IsControl) {
				t.Errorf("reply %q", fail.reply)
			}
			if len(fail.status) < 5 || len(fail.status) > 9 || fail.status[0] != byte('0'+r.class()) {
				t.Errorf("status %q of %d", fail.status, r.code)
			}
			if fail.wait < 0 || pauseAfter(fail, 1) > 24*time.Hour || pauseAfter(fail, 1) <= 0 {
				t.Errorf("waits %v", fail.wait)
			}
		}
	})
}
