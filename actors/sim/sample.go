package sim

import "time"

// sampling compares what the forwarder publishes with what must be so, until the returned function is called, and then once more: by then
// nothing may be given out.
func (r *run) sampling() (stop func()) {
	if r.gauges == nil {
		return func() {}
	}
	if r.Sample == 0 {
		return r.sample
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(r.Sample)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.sample()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		r.sample()
	}
}

func (r *run) sample() {
	families, err := r.gauges.Gather()
	if err != nil {
		r.watch.broken("gather: %v", err)
		return
	}
	g := gauges{inFlight: map[string]float64{}, available: map[string]float64{}, refused: map[string]float64{}}
	metrics := map[string]map[string]float64{
		"tollhouse_endpoint_in_flight": g.inFlight, "tollhouse_endpoint_available": g.available, "tollhouse_endpoint_refused_models": g.refused,
	}
	for _, f := range families {
		into := metrics[f.GetName()]
		if into == nil {
			continue
		}
		for _, m := range f.GetMetric() { // labels come sorted: endpoint, registry
			into[m.GetLabel()[1].GetValue()+"/"+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	r.watch.compare(time.Now(), r.snapshot.Load(), g)
}
