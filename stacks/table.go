package stacks

// table holds what a message refers to by id. Ids are small and dense in every
// profile that Go writes; others are looked up in a map.
type table[T any] struct {
	all    []T
	dense  []int32 // position + 1, by id
	sparse map[uint64]int32
}

func (t *table[T]) make(n int) {
	t.all, t.dense = make([]T, 0, n), make([]int32, 2*n+1)
}

func (t *table[T]) add(id uint64, v T) error {
	if _, known := t.at(id); known || id == 0 {
		return errMalformed
	}
	t.all = append(t.all, v)
	at := int32(len(t.all))
	if id < uint64(len(t.dense)) {
		t.dense[id] = at
		return nil
	}
	if t.sparse == nil {
		t.sparse = map[uint64]int32{}
	}
	t.sparse[id] = at
	return nil
}

// at is the position of what has an id.
func (t *table[T]) at(id uint64) (int, bool) {
	if id < uint64(len(t.dense)) {
		return int(t.dense[id]) - 1, t.dense[id] > 0
	}
	at, ok := t.sparse[id]
	return int(at) - 1, ok
}
