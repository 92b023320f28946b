// The rival: what the article's readers would write in Go. One handler that pings the database with
// database/sql and lib/pq, and nothing that it would not have anyway.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	_ "github.com/lib/pq"
)

func main() {
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	// database/sql keeps two idle connections if nobody says otherwise, and makes and ends one for
	// nearly every request of 64 clients. The bench gives it as many as it can use.
	if n, err := strconv.Atoi(os.Getenv("POOL")); err == nil {
		db.SetMaxOpenConns(n)
		db.SetMaxIdleConns(n)
	}
	http.HandleFunc("/ping", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := db.PingContext(ctx); err != nil {
			w.WriteHeader(http.StatusFailedDependency)
			fmt.Fprintln(w, "DB is not available. Error:", err)
			return
		}
		fmt.Fprintln(w, "DB is available")
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
