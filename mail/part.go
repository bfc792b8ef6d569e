package mail

// Walk calls f for p and every part below it, in the order of the message;
// the parts of attached messages too. A nil p has none.
func (p *Part) Walk(f func(*Part)) {
	if p == nil {
		return
	}
	f(p)
	for _, c := range p.Children {
		c.Walk(f)
	}
	if p.Message != nil {
		p.Message.Root.Walk(f)
	}
}
