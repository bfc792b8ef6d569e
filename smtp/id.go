package smtp

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// Lower case without padding, in the order of its values: ids of mails sort by time.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID names a mail: milliseconds, then chance, in 16 characters.
func newID(now time.Time) string {
	var b [10]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	rand.Read(b[6:])
	return idEncoding.EncodeToString(b[:])
}
