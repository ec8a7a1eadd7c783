package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	url, out := os.Args[1], os.Args[2]
	width, _ := strconv.Atoi(os.Args[3])
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)
	ctx, c := chromedp.NewExecAllocator(context.Background(), opts...)
	defer c()
	ctx, c2 := chromedp.NewContext(ctx)
	defer c2()
	var buf []byte
	acts := []chromedp.Action{chromedp.EmulateViewport(int64(width), 900), chromedp.Navigate(url), chromedp.Sleep(time.Second)}
	if os.Args[4] != "-" {
		acts = append(acts, chromedp.Evaluate(`(document.querySelector("main form button[type=submit], main form button")||{click(){}}).click(),""`, nil), chromedp.Sleep(2*time.Second))
		acts = append(acts, chromedp.SetUploadFiles("#receipt", []string{os.Args[4]}))
		if len(os.Args) > 5 {
			acts = append(acts, chromedp.SetUploadFiles("#record", []string{os.Args[5]}))
		}
		acts = append(acts, chromedp.Evaluate(`document.getElementById("audit").requestSubmit(),""`, nil), chromedp.Sleep(3*time.Second))
	}
	acts = append(acts, chromedp.FullScreenshot(&buf, 90))
	if err := chromedp.Run(ctx, acts...); err != nil {
		fmt.Println(err)
	}
	os.WriteFile(out, buf, 0o644)
}
