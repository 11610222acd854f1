package loadgen_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/leakgate/leakgate/loadgen"
)

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/orders" {
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer service.Close()

	driver, err := loadgen.NewVegeta(loadgen.Config{
		Rate:        100, // requests per second
		Connections: 10,
		Requests: []loadgen.Request{
			{Method: "GET", URL: service.URL + "/cart", Weight: 3, Name: "cart"},
			{Method: "POST", URL: service.URL + "/orders", Body: []byte(`{"sku": 1}`), Name: "orders"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	load := driver.Run(context.Background(), loadgen.Phase{Duration: time.Second})

	fmt.Println("expected:", load.Expected)
	fmt.Println("all succeeded:", load.Sent > 0 && load.Succeeded == load.Sent)
	for _, e := range load.Entries {
		for code := range e.Codes {
			fmt.Println(e.Name, code)
		}
	}
	// Output:
	// expected: 100
	// all succeeded: true
	// cart 200
	// orders 201
}
