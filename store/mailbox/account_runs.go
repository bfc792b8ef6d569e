package mailbox

// sortRuns sorts what is mostly in order: mails that came one after the other,
// with another mailbox, or an import of older ones, behind them. It merges the
// stretches that are in order already, and is stable.
func sortRuns[T any](list []T, before func(a, b *T) bool) []T {
	var ends []int // of stretches that are in order
	for i := 1; i < len(list); i++ {
		if before(&list[i], &list[i-1]) {
			ends = append(ends, i)
		}
	}
	if len(ends) == 0 {
		return list
	}
	ends = append(ends, len(list))
	other := make([]T, len(list))
	for len(ends) > 1 {
		merged, start := ends[:0], 0
		for i := 0; i < len(ends); i += 2 {
			if i+1 == len(ends) {
				copy(other[start:], list[start:ends[i]])
				merged = append(merged, ends[i])
				break
			}
			middle, end := ends[i], ends[i+1]
			mergeRuns(other[start:end], list[start:middle], list[middle:end], before)
			merged, start = append(merged, end), end
		}
		list, other, ends = other, list, merged
	}
	return list
}

func mergeRuns[T any](to, a, b []T, before func(a, b *T) bool) {
	for i := range to {
		switch {
		case len(a) == 0:
			copy(to[i:], b)
			return
		case len(b) == 0:
			copy(to[i:], a)
			return
		case !before(&b[0], &a[0]):
			to[i], a = a[0], a[1:]
		default:
			to[i], b = b[0], b[1:]
		}
	}
}
