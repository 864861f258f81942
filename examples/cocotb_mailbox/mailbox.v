// A mailbox with one byte and a handshake: `accept` answers `valid` three cycles later, and the
// byte comes back with its bits inverted.
module mailbox (
    input  wire       clk,
    input  wire       valid,
    input  wire [7:0] data,
    output reg        accept = 0,
    output reg  [7:0] answer = 0
);
  reg [1:0] wait_for = 0;
  always @(posedge clk) begin
    accept <= 0;
    if (valid && !accept) begin
      if (wait_for == 3) begin
        accept   <= 1;
        answer   <= ~data;
        wait_for <= 0;
      end else wait_for <= wait_for + 1;
    end
  end
endmodule
