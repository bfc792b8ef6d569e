package mailbox

// maxFlagOrders of a list that byFlags answers: each doubles its classes.
const maxFlagOrders = 4

// byFlags answers what the webmail's list asks for: the emails of a mailbox that
// have one flag, or lack one, some flags first, in the order of their arrival. It
// looks at each set of flags that is in use once, so that a list of 100,000
// emails is there again soon after one of them was read. ok is false for any
// other query.
func (w *whole) byFlags(q *AccountQuery) (ids []EmailID, ok bool) {
	c := Condition{}
	if q.Filter != nil {
		if q.Filter.Condition == nil {
			return nil, false
		}
		c = *q.Filter.Condition
	}
	in, has, lacks := c.In, c.Has, c.Lacks
	c.In, c.Has, c.Lacks = 0, "", ""
	by := q.Sort
	if n := len(by); n > 0 && by[n-1] == (EmailOrder{By: ByArrival, Reverse: true}) {
		by = by[:n-1]
	}
	if !c.isZero() || len(by) > maxFlagOrders {
		return nil, false
	}
	for _, o := range by {
		if o.By != ByFlag {
			return nil, false
		}
	}
	set := w.snap.uids
	if in != 0 {
		if set = w.in[in]; set == nil {
			return nil, true
		}
	}
	// The class of an email says where it stands by the flags; -1 is nowhere.
	classOf := func(flags []string) int {
		if has != "" && !hasFlag(flags, has) || lacks != "" && hasFlag(flags, lacks) {
			return -1
		}
		class := 0
		for _, o := range by {
			class *= 2
			if hasFlag(flags, o.Flag) != o.Reverse {
				class++
			}
		}
		return class
	}
	classes := make([][]UID, 1<<len(by))
	known := map[*[]string]int{}
	var last *[]string
	class := -1
	set.each(func(uid UID) {
		if r := w.row(uid); r.flags != last {
			last = r.flags
			if class, ok = known[last]; !ok {
				class = classOf(*last)
				known[last] = class
			}
		}
		if class >= 0 {
			classes[class] = append(classes[class], uid)
		}
	})
	n := 0
	for _, of := range classes {
		n += len(of)
	}
	ids = make([]EmailID, 0, n)
	shown := newIDMap(n)
	for _, of := range classes {
		for i := len(of) - 1; i >= 0; i-- {
			r := w.row(of[i])
			if q.Collapse {
				if _, fresh := shown.number(int64(r.thread)); !fresh {
					continue
				}
			}
			ids = append(ids, r.email)
		}
	}
	return ids, true
}

// row is the one of a number.
func (w *whole) row(number UID) *row {
	i := int(number) - 1
	return &w.snap.chunks[i/chunkRows].rows[i%chunkRows]
}
