package mail

import "strings"

// hasAttachment says whether p holds what a person would call one.
func hasAttachment(p, parent *Part) bool {
	for _, c := range p.Children {
		if hasAttachment(c, p) {
			return true
		}
	}
	return len(p.Children) == 0 && isAttachment(p, parent)
}

func isAttachment(p, parent *Part) bool {
	within := ""
	if parent != nil {
		within = parent.Type
	}
	kind, _, _ := strings.Cut(p.Type, "/")
	switch {
	case within == "multipart/signed" && parent.Children[0] != p, // the signature
		within == "multipart/encrypted",
		within == "multipart/report",
		kind == "multipart":
		return false
	case p.Disposition == "attachment":
		return true
	case within == "multipart/related" && parent.Children[0] != p && (p.ID != "" || p.Location != ""):
		return false // a picture that the text shows
	case p.Filename != "":
		return true
	case within == "multipart/alternative":
		return false // an invitation, another form of the same
	case kind == "text":
		return false
	case kind == "message":
		return within != "multipart/digest"
	}
	return p.Disposition != "inline" || kind != "image"
}
