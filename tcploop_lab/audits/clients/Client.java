// Java: connect, say hello, read the answer.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;

public class Client {
    public static void main(String[] arguments) throws Exception {
        try (Socket socket = new Socket("127.0.0.1", Integer.parseInt(arguments[0]))) {
            socket.setSoTimeout(3000);
            socket.getOutputStream().write("hello\n".getBytes());
            System.out.println("the server says "
                + new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine());
        }
    }
}
