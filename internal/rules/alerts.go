package rules

import "fmt"

// leastApart is by how many goroutines an instance has to differ from the others, at
// least, to be reported: below it, twice as many are a few connections.
const leastApart = 100

// alert makes an alert rule with what every one has. The summary is about an instance
// unless the rule is of the service.
func (c Config) alert(name, severity, wait, expr, summary, description string) rule {
	return rule{
		Alert: name, Expr: expr, For: wait,
		Labels:      map[string]string{"service": c.Service, "severity": severity},
		Annotations: map[string]string{"summary": summary, "description": description},
	}
}

// instance begins a summary that is about one instance.
func (c Config) instance(what string) string {
	return "{{ $labels.instance }} of " + c.Service + " " + what
}

func (c Config) alerts() []rule {
	out := []rule{c.suspectedAlert()}
	if c.Memory > 0 {
		out = append(out, c.memoryAlert())
	}
	if c.Most > 0 {
		out = append(out, c.projectionAlert())
	}
	return append(out, c.floorAlert(), c.divergeAlert(), c.budgetAlert())
}

func (c Config) suspectedAlert() rule {
	return c.alert("GoroutineLeakSuspected", "warning", "30m", c.mine(Suspected)+" == 1",
		c.instance("is accumulating goroutines"),
		fmt.Sprintf("Goroutines have grown by more than %g a second for an hour, and the minimum of the last minutes is "+
			"above the maximum of an hour ago. Take a profile before anybody restarts the instance: "+
			"curl -o goroutines.pb.gz http://INSTANCE/debug/pprof/goroutine, then compare it with the profile of a "+
			"healthy instance by leakgate diff.", c.Slope))
}

func (c Config) memoryAlert() rule {
	return c.alert("GoroutineLeakMemory", "critical", "15m",
		fmt.Sprintf("predict_linear(process_resident_memory_bytes%s[1h], 6 * 3600) > %d\nand ignoring (service) %s == 1",
			c.Selector, c.Memory, c.mine(Suspected)),
		c.instance("will run out of memory within six hours"),
		"Goroutines are accumulating, and resident memory grows with them. Roll back to the last build that passed. "+
			"A restart frees what has leaked, but destroys the evidence.")
}

func (c Config) projectionAlert() rule {
	return c.alert("GoroutineLeakProjection", "critical", "15m",
		fmt.Sprintf("predict_linear(%s[1h], 4 * 3600) > %d\nand %s == 1", c.mine(Goroutines), c.Most, c.mine(Suspected)),
		c.instance(fmt.Sprintf("will reach %d goroutines within four hours", c.Most)),
		"This is the limit in safety.goroutines of the plan.")
}

func (c Config) floorAlert() rule {
	return c.alert("GoroutineFloorRises", "warning", "1h",
		fmt.Sprintf("%s\nand %s\nunless %[3]s - %[3]s offset 7d <= %[4]d",
			c.creeps(0), c.creeps(1), c.mine(daily), c.Tolerance),
		"the daily minimum of goroutines of "+c.instance("is rising"),
		"This is a leak too slow to show as a slope: on each of the last two days, the daily minimum was higher than "+
			"on the day before. Compare profiles taken at the same time of day with leakgate diff.")
}

func (c Config) divergeAlert() rule {
	return c.alert("GoroutinesDiverge", "warning", "30m",
		fmt.Sprintf("%[1]s > 2 * %[2]s\nand %[1]s - %[2]s > %[3]d", c.mine(Goroutines), c.others(),
			max(leastApart, c.Tolerance)),
		c.instance("has more than twice as many goroutines as the other instances on average"),
		"Instances that share the load should look alike. One that does not is leaking, or has work that the others "+
			"do not have.")
}

func (c Config) budgetAlert() rule {
	return c.alert("GoroutineLeakBudget", "warning", "",
		fmt.Sprintf("%s > %g", c.mine(minutes), c.Budget.Minutes()),
		c.Service+" has used up its budget of time with a suspected leak",
		fmt.Sprintf("A leak was suspected for more than %g minutes in the last 30 days. "+
			"leakgate slo --service %s --prometheus URL lists the episodes.", c.Budget.Minutes(), c.Service))
}
