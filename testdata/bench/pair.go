package main

import "time"

// fewest is how many runs a row has, however long they take. A median of fewer says nothing.
const fewest = 5

// turns runs all the measures in turn, each round beginning with another, and returns the times of each. There are up
// to n rounds, and warm ones before that are not counted; it ends early when the time is up.
func (b *bench) turns(n, warm int, measures ...func() (float64, error)) ([][]float64, error) {
	all := make([][]float64, len(measures))
	begun := time.Now()
	for round := 0; round < warm+n && (round < warm+fewest || time.Since(begun) < b.budget); round++ {
		took := make([]float64, len(measures))
		for i := range measures {
			k := (i + round) % len(measures)
			var err error
			if took[k], err = measures[k](); err != nil {
				return nil, err
			}
		}
		if round >= warm {
			for k, t := range took {
				all[k] = append(all[k], t)
			}
		}
	}
	return all, nil
}
