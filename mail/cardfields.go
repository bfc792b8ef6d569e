package mail

import "strings"

// commonFields are what mail programs ask for when they list a mailbox:
// Thunderbird, mutt, Roundcube, K-9, Apple Mail. A program that asks for these
// alone is answered without reading the message. Received is not among them: it
// would be most of what is kept.
var commonFields = func() map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(`date from sender reply-to to cc bcc subject message-id in-reply-to references
		content-type content-description content-language mime-version lines newsgroups
		priority x-priority importance x-label x-original-to x-mailer user-agent
		list-id list-post list-subscribe list-unsubscribe auto-submitted precedence
		disposition-notification-to x-k9mail-identity chat-version resent-from resent-to resent-date`) {
		all[name] = true
	}
	return all
}()

// maxCommon bounds what is kept of them.
const maxCommon = 8 << 10

// IsCommonField says whether Card.Fields holds the fields of that name.
func IsCommonField(name string) bool { return commonFields[strings.ToLower(name)] }

// commonLines are the lines of the common fields in a header block, each with
// its line end; nil when that is too much.
func commonLines(block string) []byte {
	kept := []byte{}
	var low [32]byte
	for block != "" {
		var line string
		line, block = cutLine(block)
		name, _, ok := splitField(line)
		if !ok || len(name) > len(low) {
			continue
		}
		for i := 0; i < len(name); i++ {
			c := name[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			low[i] = c
		}
		if !commonFields[string(low[:len(name)])] {
			continue
		}
		if len(kept)+len(line) > maxCommon {
			return nil
		}
		kept = append(kept, line...)
		if line[len(line)-1] != '\n' {
			kept = append(kept, "\r\n"...)
		}
	}
	return kept
}
